import type { StageTerms } from './frozen-plan.js'

/** The name by which a stage finds the outputs of a stage that it needs. */
export const needName = ({ as }: Pick<StageTerms, 'as'>, stage: string): string => as?.[stage] ?? stage

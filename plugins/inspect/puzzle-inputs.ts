import type { DataInput, ModelInput, SpaceInput, TargetInput } from '../../puzzle/inputs.js'

/** The inputs of a spec of pipeline `puzzle`, which its schemas have checked. */
export type PuzzleInputs = ModelInput &
  SpaceInput &
  Partial<DataInput> &
  Partial<TargetInput> & { readonly limits?: { readonly maxVariants?: number } }

/** Whether a spec searches for a child: specs of other pipelines have other inputs. */
export const isSearch = (inputs: object): inputs is PuzzleInputs =>
  'model' in inputs && typeof inputs.model === 'string' && 'space' in inputs && inputs.space !== undefined

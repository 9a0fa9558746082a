import type { SearchPace } from './groups.js'
import type { StageNode, StageProgress, StageRequest } from './types.js'

/** What a search gives to each of its stages. */
export interface StageOptions {
  readonly node: StageNode
  readonly request: StageRequest
  readonly progress: StageProgress
  readonly pace: SearchPace
  readonly show: () => void
  /** Called as soon as the stage fails, if all that runs is to end then. */
  readonly giveUp: () => void
}

import type { SearchProgress } from '../../workflows/types.js'
import type { PendingTask } from '../at-work.js'

/** What one look at a run shows. */
export interface Sighting {
  readonly run: string
  /** Milliseconds of the clock when its latest attempt began. */
  readonly startedAt: number
  /** Absent while no worker answers. */
  readonly progress?: SearchProgress | undefined
  /** Tasks that have not ended, as far as was asked. */
  readonly tasks: readonly PendingTask[]
}

/** Tells people about a run while a command follows it. */
export interface Watcher {
  /** Seconds from one question for the tasks at work to the next. */
  readonly looksEvery: number
  /** Is told where the run stands, about once a second. */
  see(sighting: Sighting): void
  /** The run is over, or nobody follows it any longer. */
  end(): void
}

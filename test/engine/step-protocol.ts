/** From a stage that waits to be stepped, to the test. */
export type FromStage =
  | {
      readonly kind: 'called'
      readonly stage: string
      readonly task: string
      readonly pid: number
      readonly threads: number
      /** Folder of the task's checkpoint, and what was in it. */
      readonly checkpoint: string
      readonly found: readonly string[]
    }
  | { readonly kind: 'aborted' }

/** From the test to the stage. */
export type FromTest =
  | { readonly kind: 'finish'; readonly value: number }
  | { readonly kind: 'fail'; readonly type?: string; readonly message: string; readonly remedy?: string }

/** Environment variable with the socket on which the test waits. */
export const socketVariable = 'PUZZLEFLOW_TEST_SOCKET'

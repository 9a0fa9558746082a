import type { Digest, Store } from '../store/index.js'

/** Between two savings at least so many milliseconds, and at least ten times as long as one takes. */
const pause = 30_000

/**
 * Keeps what a task checkpoints in a folder of this machine where it survives the machine, while the task runs in its
 * child process. It is this process that does so, for onnxruntime blocks the child's. Where checkpoints lie in the store
 * anyway it does nothing.
 */
export class CheckpointKeeper {
  private next: number
  private saving: Promise<void> | undefined
  private ended = false

  private constructor(
    private readonly save: () => Promise<void>,
    private readonly log: (text: string) => void,
    private readonly now: () => number,
  ) {
    this.next = now() + pause
  }

  /** Brings the newest checkpoint to this machine.
   *  @param now  milliseconds, for tests */
  static async start(
    store: Pick<Store, 'fetchCheckpoint' | 'saveCheckpoint'>,
    key: Digest,
    log: (text: string) => void,
    now = () => performance.now(),
  ): Promise<CheckpointKeeper> {
    await store.fetchCheckpoint(key)
    return new CheckpointKeeper(() => store.saveCheckpoint(key), log, now)
  }

  /** The task has got on: there may be something to save. */
  offer(): void {
    if (this.saving || this.ended || this.now() < this.next) return
    this.saving = this.saveNow().finally(() => (this.saving = undefined))
  }

  /** The attempt came to nothing: what it has checkpointed last is for the next one, wherever it runs. */
  async saveLast(): Promise<void> {
    await this.saving
    await this.saveNow()
  }

  /** Nothing is saved any more. */
  async end(): Promise<void> {
    this.ended = true
    await this.saving
  }

  private async saveNow(): Promise<void> {
    const begin = this.now()
    try {
      await this.save()
    } catch (error) {
      // The task itself goes on; the next saving may succeed.
      this.log(`the checkpoint cannot be saved: ${(error as Error).message}`)
    }
    const end = this.now()
    this.next = end + Math.max(pause, 10 * (end - begin))
  }
}

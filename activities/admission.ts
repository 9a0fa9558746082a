import type { ActivitySlotInfo, CustomSlotSupplier, SlotPermit } from '@temporalio/worker'

/**
 * Lets a worker take only as many tasks as it has places: what waits in the queue, any other worker may take. A task that
 * waits for another one to end lends its admission.
 */
export class Admission implements CustomSlotSupplier<ActivitySlotInfo> {
  readonly type = 'custom'
  private taken = 0
  private readonly waiting = new Set<() => void>()

  constructor(private readonly size: number) {}

  /** For a poll of the queue, and for the task that it brings. */
  async reserveSlot(_context: unknown, signal: AbortSignal): Promise<SlotPermit> {
    while (this.taken >= this.size) {
      await new Promise<void>((resolve, reject) => {
        const enter = () => {
          signal.removeEventListener('abort', leave)
          this.waiting.delete(enter)
          resolve()
        }
        const leave = () => {
          this.waiting.delete(enter)
          reject(signal.reason as Error)
        }
        signal.addEventListener('abort', leave, { once: true })
        this.waiting.add(enter)
      })
    }
    this.taken++
    return {}
  }
  tryReserveSlot(): SlotPermit | null {
    if (this.taken >= this.size) return null
    this.taken++
    return {}
  }
  markSlotUsed(): void {
    // It was counted when it was reserved.
  }
  releaseSlot(): void {
    this.taken--
    for (const enter of [...this.waiting]) enter()
  }

  /** Another task may come instead of one that waits. @returns to be called when it does not wait any more */
  lend(): () => void {
    this.releaseSlot()
    return () => void this.taken++
  }
}

/** Places for tasks: several side by side, or one alone for measurements. First come, first served. */
export class Slots {
  private used = 0
  private readonly waiting: { readonly weight: number; readonly enter: () => void }[] = []

  constructor(readonly size: number) {}

  /** Waits for a place, or for all of them. @returns a function that gives it back */
  async take(exclusive: boolean, signal: AbortSignal): Promise<() => void> {
    const weight = exclusive ? this.size : 1
    await new Promise<void>((resolve, reject) => {
      const entry = { weight, enter: resolve }
      this.waiting.push(entry)
      signal.addEventListener('abort', () => {
        const at = this.waiting.indexOf(entry)
        if (at < 0) return
        this.waiting.splice(at, 1)
        reject(signal.reason as Error)
        this.next()
      })
      this.next()
    })
    return () => {
      this.used -= weight
      this.next()
    }
  }

  private next(): void {
    while (this.waiting.length > 0 && this.used + this.waiting[0]!.weight <= this.size) {
      const { weight, enter } = this.waiting.shift()!
      this.used += weight
      enter()
    }
  }
}

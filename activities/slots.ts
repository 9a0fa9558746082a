/** Places for tasks: several side by side, or one alone for measurements. First come, first served. */
export class Slots {
  private used = 0
  private readonly waiting: { readonly weight: number; readonly enter: () => void }[] = []

  constructor(readonly size: number) {}

  /** Whether nobody has a place or waits for one. */
  get free(): boolean {
    return this.used === 0 && this.waiting.length === 0
  }

  /** Waits for a place, or for all of them. @returns a function that gives it back
   *  @throws the signal's reason when it is aborted before there is a place */
  async take(exclusive: boolean, signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    const weight = exclusive ? this.size : 1
    await new Promise<void>((resolve, reject) => {
      const enter = () => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const entry = { weight, enter }
      const leave = () => {
        this.waiting.splice(this.waiting.indexOf(entry), 1)
        reject(signal.reason as Error)
        // Those behind it may fit where it did not.
        this.next()
      }
      signal.addEventListener('abort', leave, { once: true })
      this.waiting.push(entry)
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

/** One at a time by key: of two runs, or two attempts of which one is thought lost, the later finds what the other did. */
export class KeyLocks {
  private readonly byKey = new Map<string, Slots>()

  /** Whether who takes it now would have to wait. */
  isTaken(key: string): boolean {
    return this.byKey.has(key)
  }

  async take(key: string, signal: AbortSignal): Promise<() => void> {
    const ofKey = this.byKey.get(key) ?? new Slots(1)
    this.byKey.set(key, ofKey)
    const release = await ofKey.take(true, signal)
    return () => {
      release()
      if (ofKey.free) this.byKey.delete(key)
    }
  }
}

/**
 * Keeps objects that several tasks of one process use: opened models, sessions, shared inputs. It holds at most `size` of them
 * and discards the least recently used. A process runs one task at a time.
 */
export class Warm<T> {
  private readonly kept = new Map<string, T>()

  constructor(
    private readonly size: number,
    private readonly dispose: (thing: T) => Promise<void> = async () => undefined,
  ) {}

  /** Returns the object for a key, which must contain everything that the object depends on. */
  async get(key: string, make: () => Promise<T>): Promise<T> {
    const known = this.kept.get(key)
    const thing = known ?? (await make())
    this.kept.delete(key)
    this.kept.set(key, thing)
    if (this.kept.size > this.size) {
      const [oldest, own] = this.kept.entries().next().value!
      this.kept.delete(oldest)
      await this.dispose(own)
    }
    return thing
  }
}

/** The same for each owner, as long as the owner lives. */
export class WarmOf<O extends object, T> {
  private readonly owned = new WeakMap<O, Warm<T>>()

  constructor(private readonly size: number) {}

  /** Returns the owner's object for a key. */
  get(owner: O, key: string, make: () => Promise<T>): Promise<T> {
    let warm = this.owned.get(owner)
    if (!warm) this.owned.set(owner, (warm = new Warm(this.size)))
    return warm.get(key, make)
  }
}

/**
 * What is worth keeping from task to task of one process: opened models, sessions, inputs that many tasks share. At most
 * `size` things; the one used longest ago goes first. A process does one task at a time.
 */
export class Warm<T> {
  private readonly kept = new Map<string, T>()

  constructor(
    private readonly size: number,
    private readonly dispose: (thing: T) => Promise<void> = async () => undefined,
  ) {}

  /** The thing of a key, which must name all that it depends on. */
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

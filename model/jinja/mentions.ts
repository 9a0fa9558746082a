import type { JinjaError } from './errors.js'

/** What a template speaks of while it is read. */
export class Mentions {
  private readonly watched: { readonly found: Set<string>; readonly hidden: Set<string> }[] = []
  private readonly soft: JinjaError[] = []
  private readonly hard: JinjaError[] = []

  used(name: string): void {
    for (const { found, hidden } of this.watched) if (!hidden.has(name)) found.add(name)
  }

  assigned(name: string): void {
    for (const { hidden } of this.watched) hidden.add(name)
  }

  /** Names used in what is read, those assigned there before left out. */
  watch<T>(work: () => T): readonly [T, ReadonlySet<string>] {
    const watched = { found: new Set<string>(), hidden: new Set<string>() }
    this.watched.push(watched)
    const result = work()
    this.watched.pop()
    return [result, watched.found]
  }

  /** A filter or test that there is not. */
  missing(error: JinjaError): void {
    this.soft.push(error)
  }

  /** How many are missing now. */
  get mark(): number {
    return this.soft.length
  }

  /** What is missing since then is so only once it is evaluated: it stands in a condition. */
  forgive(mark: number): void {
    this.soft.length = mark
  }

  /** Reads what Jinja compiles on its own: what is missing there is missing, evaluated or not. */
  strictly<T>(work: () => T): T {
    const { mark } = this
    const result = work()
    this.hard.push(...this.soft.splice(mark))
    return result
  }

  /** @throws JinjaError for what is missing */
  end(): void {
    const [first] = [...this.hard, ...this.soft]
    if (first) throw first
  }
}

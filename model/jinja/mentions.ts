import type { JinjaError } from './errors.js'

/** Records the names that a template uses while it is parsed. */
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

  /** Returns the names that the parsed part uses, except for those that it assigned before. */
  watch<T>(work: () => T): readonly [T, ReadonlySet<string>] {
    const watched = { found: new Set<string>(), hidden: new Set<string>() }
    this.watched.push(watched)
    const result = work()
    this.watched.pop()
    return [result, watched.found]
  }

  /** Records a filter or test that does not exist. */
  missing(error: JinjaError): void {
    this.soft.push(error)
  }

  /** Number of missing filters and tests so far. */
  get mark(): number {
    return this.soft.length
  }

  /** Makes filters and tests that are missing since `mark` errors only when they are evaluated: they are in a condition. */
  forgive(mark: number): void {
    this.soft.length = mark
  }

  /** Parses a part that Jinja compiles separately: missing filters and tests are errors there, even if never evaluated. */
  strictly<T>(work: () => T): T {
    const { mark } = this
    const result = work()
    this.hard.push(...this.soft.splice(mark))
    return result
  }

  /** @throws JinjaError for the first missing filter or test */
  end(): void {
    const [first] = [...this.hard, ...this.soft]
    if (first) throw first
  }
}

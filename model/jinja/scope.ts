import { requireLength } from './meter.js'
import type { Value } from './values.js'

/** The variables of a part of a template, and the scope around it. */
export class Scope {
  private readonly own = new Map<string, Value>()

  constructor(
    private readonly around?: Scope,
    given: Iterable<readonly [string, Value]> = [],
  ) {
    for (const [name, value] of given) this.own.set(name, value)
  }

  get(name: string): Value | undefined {
    let value = this.own.get(name)
    for (let scope = this.around; value === undefined && scope; scope = scope.around) value = scope.own.get(name)
    return value
  }

  set(name: string, value: Value): void {
    this.own.set(name, value)
  }
}

/** Collects the text that a template writes. */
export class Output {
  private readonly parts: string[] = []
  private size = 0

  write(text: string): void {
    requireLength((this.size += text.length))
    this.parts.push(text)
  }

  get text(): string {
    return this.parts.join('')
  }
}

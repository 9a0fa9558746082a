import type { Diagnostic } from './diagnostics.js'

/** Where a key or value stands: line and column from 1, and its characters on that line. */
export interface Range {
  /** Where it is not the file of the map. */
  readonly file?: string
  readonly line: number
  readonly column: number
  readonly length: number
}

/** JSON pointer (RFC 6901) of a path: `/data/train/path`. */
export function pointer(path: readonly (string | number)[]): string {
  return path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
}

/** The parts of a JSON pointer. */
export function pointerParts(text: string): string[] {
  return text
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** Places of keys and values in a text, by JSON pointer. */
export class SourceMap {
  readonly #keys = new Map<string, Range>()
  readonly #values = new Map<string, Range>()

  constructor(readonly file: string) {}

  setKey(at: string, range: Range): void {
    this.#keys.set(at, range)
  }

  setValue(at: string, range: Range): void {
    this.#values.set(at, range)
  }

  /** Takes out the places of a value and of all that is in it. */
  forget(at: string): void {
    for (const places of [this.#keys, this.#values])
      for (const other of places.keys()) if (other === at || other.startsWith(`${at}/`)) places.delete(other)
  }

  /** Takes over the places of a value, and of all that is in it, from another text. */
  graft(at: string, from: SourceMap, fromAt: string): void {
    const { file } = from
    for (const [own, others] of [
      [this.#keys, from.#keys],
      [this.#values, from.#values],
    ] as const)
      for (const [other, range] of others)
        if ((other === fromAt && own === this.#values) || other.startsWith(`${fromAt}/`))
          own.set(at + other.slice(fromAt.length), { file, ...range })
  }

  hasValue(at: string): boolean {
    return this.#values.has(at)
  }

  has(at: string): boolean {
    return this.#keys.has(at) || this.#values.has(at)
  }

  /** The value's place; without one (a default, something missing) the nearest key or value around it. */
  value(at: string): Range {
    return this.#values.get(at) ?? this.#around(at)
  }

  /** The key's place; without one (a list's item, something missing) the value's. */
  key(at: string): Range {
    return this.#keys.get(at) ?? this.value(at)
  }

  /** A diagnostic at a value or key. */
  diagnose(
    at: string,
    where: 'key' | 'value',
    { code, message, hint }: { code: string; message: string; hint?: string | undefined },
  ): Diagnostic {
    const range = where === 'key' ? this.key(at) : this.value(at)
    return { file: this.file, ...range, code, message, ...(hint !== undefined && { hint }) }
  }

  #around(at: string): Range {
    for (let path = at; path !== '';) {
      path = path.slice(0, path.lastIndexOf('/'))
      const range = this.#keys.get(path) ?? this.#values.get(path)
      if (range) return range
    }
    return { line: 1, column: 1, length: 1 }
  }
}

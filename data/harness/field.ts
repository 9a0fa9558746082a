import { dirname } from 'node:path'
import { Failure, type Json, type JsonObject } from '../../api/index.js'
import type { SourceDocument } from '../../spec/document.js'
import { suggest } from '../../spec/diagnostics.js'
import { pointer } from '../../spec/source-map.js'
import { kindName } from '../json-records.js'
import { shown } from '../../errors/foreign.js'

/** A value of a YAML file with its place. */
export class Field {
  constructor(
    readonly value: Json,
    private readonly source: SourceDocument,
    private readonly path: readonly (string | number)[],
  ) {}

  /** The folder of the file that it stands in. */
  get folder(): string {
    return dirname(this.source.file)
  }

  /** Its key. */
  get name(): string {
    return this.path.join('.')
  }

  /** A failure at its place. */
  bad(message: string, remedy?: string, where: 'key' | 'value' = 'value'): Failure {
    const { file, map } = this.source
    const { line, column } = where === 'key' ? map.key(pointer(this.path)) : map.value(pointer(this.path))
    return new Failure('InvalidInput', `${file}:${line}:${column}: ${message}`, {
      file,
      ...(remedy !== undefined && { remedy }),
    })
  }

  /** What is said of the value by code that does not know its place. */
  placed<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      throw this.bad(`${this.name}: ${error.message}`, error.remedy)
    }
  }

  text(): string {
    if (typeof this.value !== 'string') throw this.bad(`${this.name} is ${kindName(this.value)}, not a text`)
    return this.value
  }

  flag(): boolean {
    if (typeof this.value !== 'boolean') throw this.bad(`${this.name} is ${kindName(this.value)}, not true or false`)
    return this.value
  }

  /** A whole number in some bounds. */
  whole(least: number, most: number): number {
    const { value } = this
    if (typeof value !== 'number' || !Number.isInteger(value) || value < least || value > most)
      throw this.bad(`${this.name} is ${shown(value)}, not a whole number from ${least} to ${most}`)
    return value
  }

  /** The items of a list. */
  list(): readonly Field[] {
    if (!Array.isArray(this.value)) throw this.bad(`${this.name} is ${kindName(this.value)}, not a list`)
    return (this.value as readonly Json[]).map((item, i) => new Field(item, this.source, [...this.path, i]))
  }

  /** The entries of a map that are not null. @param known  keys that it may have. Default: any */
  entries(known?: readonly string[]): ReadonlyMap<string, Field> {
    const { value } = this
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      throw this.bad(`${this.name} is ${kindName(value)}, not a map`)
    const entries = Object.entries(value as JsonObject)
      .filter(([, own]) => own !== null)
      .map(([key, own]) => [key, new Field(own, this.source, [...this.path, key])] as const)
    for (const [key, own] of entries)
      if (known && !known.includes(key))
        throw own.bad(
          `${this.name === '' ? 'a task' : this.name} has no key "${key}"`,
          sentence(suggest(key, known) ?? 'remove it'),
          'key',
        )
    return new Map(entries)
  }
}

/** A hint as a remedy. */
export const sentence = (hint: string): string =>
  `${hint[0]!.toUpperCase()}${hint.slice(1)}${/[?.]$/.test(hint) ? '' : '.'}`

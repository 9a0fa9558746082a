import { Failure } from '../../api/index.js'
import type { GgufFile, GgufValue, NumberList } from './container.js'
import { shown } from '../../errors/foreign.js'

/** Reads a GGUF file's keys by name. Keys of the architecture are named without its prefix. */
export class Keys {
  readonly architecture: string

  constructor(private readonly file: GgufFile) {
    const architecture = file.keys.get('general.architecture')
    if (typeof architecture !== 'string')
      throw this.refuse('has no key general.architecture that says what the model is', 'Give a GGUF file of a model.')
    this.architecture = architecture
  }

  refuse(
    message: string,
    remedy = 'Convert the model again with a current llama.cpp, or give its Hugging Face folder.',
  ): Failure {
    const { path } = this.file
    return new Failure('InvalidInput', `${path}: ${message}`, { file: path, remedy })
  }

  /** The full name of a key of the architecture. */
  name(key: string): string {
    return key.includes('tokenizer.') || key.startsWith('general.') ? key : `${this.architecture}.${key}`
  }

  raw(key: string): GgufValue | undefined {
    return this.file.keys.get(this.name(key))
  }

  /** A number; undefined if the key is missing. A float32 becomes the shortest decimal number that rounds to it. */
  numberOrNone(key: string): number | undefined {
    const value = this.raw(key)
    if (value === undefined) return undefined
    if (typeof value !== 'number' || !Number.isFinite(value)) throw this.wrong(key, value, 'a number')
    return Number.isInteger(value) ? value : Number(value.toPrecision(7))
  }

  number(key: string): number {
    const value = this.numberOrNone(key)
    if (value === undefined) throw this.refuse(`has no key ${this.name(key)}`)
    return value
  }

  textOrNone(key: string): string | undefined {
    const value = this.raw(key)
    if (value !== undefined && typeof value !== 'string') throw this.wrong(key, value, 'a text')
    return value
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.raw(key) ?? fallback
    if (typeof value !== 'boolean') throw this.wrong(key, value, 'true or false')
    return value
  }

  textsOrNone(key: string): readonly string[] | undefined {
    const value = this.raw(key)
    if (value === undefined) return undefined
    if (Array.isArray(value)) return value as readonly string[]
    // An empty list of texts may be written as an empty list of numbers.
    if (typeof value === 'object' && value.length === 0) return []
    throw this.wrong(key, value, 'a list of texts')
  }

  numbersOrNone(key: string): NumberList | undefined {
    const value = this.raw(key)
    if (value === undefined) return undefined
    if (typeof value === 'object' && !Array.isArray(value)) return value as NumberList
    throw this.wrong(key, value, 'a list of numbers')
  }

  /** A number for each layer: the key has one number for all layers, or a list. */
  perLayer(key: string, layers: number, fallback?: readonly number[]): readonly number[] {
    const value = this.raw(key)
    if (value === undefined && fallback) return fallback
    if (value === undefined || typeof value === 'number') return Array.from({ length: layers }, () => this.number(key))
    const list = this.numbersOrNone(key)!
    if (list.length < layers) throw this.refuse(`${this.name(key)} has ${list.length} entries for ${layers} layers`)
    return Array.from(list.subarray(0, layers))
  }

  private wrong(key: string, value: GgufValue, wanted: string): Failure {
    const given = typeof value === 'object' ? `a list of ${value.length}` : shown(value)
    return this.refuse(`${this.name(key)} is ${given}, not ${wanted}`)
  }
}

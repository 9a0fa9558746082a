import { Failure, type ConfigFields, type Json, type JsonObject } from '../../api/index.js'
import { shown } from '../../errors/foreign.js'

/** Values of missing fields for all families. */
const defaults: JsonObject = {
  max_position_embeddings: 2048,
  rms_norm_eps: 1e-6,
  rope_theta: 10000,
  tie_word_embeddings: false,
}

/** Parses the JSON object of a config.json. @throws Failure InvalidInput */
export function parseFields(text: string, file: string): JsonObject {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch (error) {
    throw new Failure('InvalidInput', `${file}: is not JSON: ${(error as Error).message}`, {
      file,
      remedy: 'Copy the file from the original checkpoint again.',
    })
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json))
    throw new Failure('InvalidInput', `${file}: is not a JSON object`, { file })
  return json as JsonObject
}

/** Fields of a config.json, with a family's defaults. */
export class Fields implements ConfigFields {
  private readonly defaults: JsonObject

  constructor(
    private readonly fields: JsonObject,
    private readonly file: string,
    own: JsonObject = {},
  ) {
    this.defaults = { ...defaults, ...own }
  }

  raw(name: string): Json | undefined {
    return this.fields[name]
  }

  /** The value of a field, or its default if it is missing or null. */
  private value(name: string): Json | undefined {
    return this.fields[name] ?? this.defaults[name] ?? undefined
  }

  count(name: string, fallback?: number): number {
    const value = this.value(name) ?? fallback
    if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 1 || value > 2 ** 31)
      throw this.wrong(name, this.fields[name], 'a positive whole number')
    return value
  }

  /** A positive whole number; undefined if the field is missing or null and has no default. */
  countOrNone(name: string): number | undefined {
    return this.value(name) === undefined ? undefined : this.count(name)
  }

  real(name: string): number {
    return this.positive(name, this.value(name))
  }

  realOrNone(name: string): number | undefined {
    const value = this.value(name)
    // Here null has a meaning: it switches a window or cap off, whatever the default.
    if (value === undefined || this.fields[name] === null) return undefined
    return this.positive(name, value)
  }

  /** Checks that a value is a positive number. It may be nested in a field. */
  positive(name: string, value: Json | undefined): number {
    if (typeof value !== 'number' || !Number.isFinite(value) || value <= 0)
      throw this.wrong(name, value, 'a positive number')
    return value
  }

  flag(name: string): boolean {
    const value = this.value(name) ?? false
    if (typeof value !== 'boolean') throw this.wrong(name, value, 'true or false')
    return value
  }

  /** The text of a field. */
  text(name: string, fallback: string): string {
    const value = this.value(name) ?? fallback
    if (typeof value !== 'string') throw this.wrong(name, value, 'a text')
    return value
  }

  object(name: string): JsonObject | undefined {
    const value = this.fields[name] ?? undefined
    if (value === undefined) return undefined
    if (typeof value !== 'object' || Array.isArray(value)) throw this.wrong(name, value, 'an object')
    return value as JsonObject
  }

  perLayer(name: string): readonly Json[] | undefined {
    const value = this.fields[name] ?? undefined
    if (value === undefined) return undefined
    const layers = this.count('num_hidden_layers')
    if (!Array.isArray(value) || value.length < layers)
      throw this.refuse(`"${name}" must be a list with an entry for each of the ${layers} layers`)
    return (value as readonly Json[]).slice(0, layers)
  }

  refuse(message: string, remedy?: string): Failure {
    const { file } = this
    return new Failure('InvalidInput', `${file}: ${message}`, { file, ...(remedy === undefined ? {} : { remedy }) })
  }

  private wrong(name: string, value: Json | undefined, wanted: string): Failure {
    return this.refuse(`"${name}" is ${shown(value)}, not ${wanted}`)
  }
}

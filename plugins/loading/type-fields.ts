import type { BlockType, Stage } from '../api/index.js'

type Method = (...args: never[]) => unknown
type MethodOf<T> = { [K in keyof T]-?: NonNullable<T[K]> extends Method ? K : never }[keyof T]
type FieldOf<T> = Exclude<keyof T, MethodOf<T>>

/** What a type of plugin consists of. The records hold every key: the compiler misses one that the interface gains. */
interface Anatomy<T> {
  readonly fields: Readonly<Record<FieldOf<T>, 'needed' | 'optional'>>
  readonly methods: Readonly<Record<MethodOf<T>, 'needed' | 'optional'>>
}

export const stageAnatomy: Anatomy<Stage> = {
  fields: { name: 'needed', version: 'needed', parameters: 'needed', reads: 'needed', exclusive: 'optional' },
  methods: { plan: 'optional', run: 'needed', gather: 'optional' },
}

export const blockAnatomy: Anatomy<BlockType> = {
  fields: { name: 'needed', slot: 'needed', version: 'needed', parameters: 'needed', empty: 'optional' },
  methods: {
    variants: 'needed',
    id: 'needed',
    shapes: 'needed',
    initialise: 'needed',
    forward: 'needed',
    state: 'optional',
  },
}

/** A type's fields, and the names of its methods: JSON. */
export type Described<T> = Pick<T, FieldOf<T>> & { readonly methods: readonly string[] }

export function describeType<T extends object>(type: T, { fields, methods }: Anatomy<T>): Described<T> {
  const own = type as Readonly<Record<string, unknown>>
  const values = Object.keys(fields).filter((key) => own[key] !== undefined)
  const present = Object.keys(methods).filter((key) => typeof own[key] === 'function')
  return { ...Object.fromEntries(values.map((key) => [key, own[key]])), methods: present } as unknown as Described<T>
}

/** What a type lacks or has wrong, as a sentence's end: `has no run()`. JSON Schema says the rest. */
export function typeProblem<T extends object>(type: T, { methods }: Anatomy<T>): string | undefined {
  const own = type as Readonly<Record<string, unknown>>
  for (const [key, need] of Object.entries(methods)) {
    if (own[key] === undefined && need === 'needed') return `has no ${key}()`
    if (own[key] !== undefined && typeof own[key] !== 'function') return `has a \`${key}\` that is no function`
  }
  return undefined
}

/** A stand-in with a described type's fields, whose methods cannot be called: the code stays in child processes. */
export function standIn<T extends { readonly name: string }>(description: Described<T>): T {
  const { methods, ...fields } = description
  const { name } = fields as unknown as T
  const refuse = () => {
    throw new Error(`Internal error: the code of "${name}" runs in child processes only`)
  }
  return { ...fields, ...Object.fromEntries(methods.map((name) => [name, refuse])) } as unknown as T
}

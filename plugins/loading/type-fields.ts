import type { BlockType, Family, FanOutStage, GateStage, RunType, SingleStage } from '../../api/index.js'

type Method = (...args: never[]) => unknown
type KeyOf<T> = T extends unknown ? keyof T : never
type MethodOf<T> = T extends unknown
  ? { [K in keyof T]-?: NonNullable<T[K]> extends Method ? K : never }[keyof T]
  : never
type FieldOf<T> = Exclude<KeyOf<T>, MethodOf<T>>

/** What a type of a plugin consists of. The records hold every key: the compiler misses one that the interface gains. */
export interface Anatomy<T> {
  readonly fields: Readonly<Record<FieldOf<T>, true>>
  readonly methods: Readonly<Record<MethodOf<T>, 'needed' | 'optional'>>
}

const work: Anatomy<SingleStage | FanOutStage> = {
  fields: {
    name: true,
    version: true,
    parameters: true,
    reads: true,
    taskReads: true,
    exclusive: true,
    partial: true,
    checks: true,
    gate: true,
    about: true,
  },
  methods: { plan: 'optional', run: 'needed', gather: 'optional', resources: 'optional' },
}

const gate: Anatomy<GateStage> = {
  fields: { name: true, version: true, parameters: true, reads: true, exclusive: true, gate: true, about: true },
  methods: { ask: 'needed', plan: 'optional', run: 'optional', resources: 'optional' },
}

export const stageAnatomy = (stage: object): Anatomy<never> => ('gate' in stage && stage.gate === true ? gate : work)

const block: Anatomy<BlockType> = {
  fields: { name: true, slot: true, version: true, parameters: true, empty: true, lastMatrix: true, about: true },
  methods: {
    variants: 'needed',
    id: 'needed',
    shapes: 'needed',
    initialise: 'needed',
    forward: 'needed',
    state: 'optional',
    sampleTokens: 'optional',
    learnsFirst: 'optional',
  },
}

export const blockAnatomy = (_: object): Anatomy<never> => block

const run: Anatomy<RunType> = {
  fields: { name: true, version: true, parameters: true, about: true },
  methods: { variants: 'needed', id: 'needed', span: 'needed', blocks: 'needed', initialise: 'needed' },
}

export const runAnatomy = (_: object): Anatomy<never> => run

const family: Anatomy<Family> = {
  fields: {
    name: true,
    modelTypes: true,
    architectures: true,
    defaults: true,
    refused: true,
    activationField: true,
    rotaries: true,
    ropeTypes: true,
    tensors: true,
  },
  methods: { traits: 'optional', window: 'optional', rotary: 'optional', blocks: 'optional' },
}

export const familyAnatomy = (_: object): Anatomy<never> => family

/** A type's fields, and the names of its methods. `Info` is what those who read it need to know. */
export function describeType<Info>(
  type: object,
  { fields, methods }: Anatomy<never>,
): Info & { readonly methods: readonly string[] } {
  const given = type as Readonly<Record<string, unknown>>
  const values = Object.keys(fields).filter((key) => given[key] !== undefined)
  const present = Object.keys(methods).filter((key) => typeof given[key] === 'function')
  return { ...(Object.fromEntries(values.map((key) => [key, given[key]])) as Info), methods: present }
}

/** What a type lacks or has wrong, as a sentence's end: `has no run()`. JSON Schema says the rest. */
export function typeProblem(type: object, { methods }: Anatomy<never>): string | undefined {
  const given = type as Readonly<Record<string, unknown>>
  for (const [key, need] of Object.entries(methods)) {
    if (given[key] === undefined && need === 'needed') return `has no ${key}()`
    if (given[key] !== undefined && typeof given[key] !== 'function') return `has a \`${key}\` that is not a function`
  }
  return undefined
}

/** A stand-in with a described type's fields, whose methods cannot be called: the code stays in child processes. */
export function standIn<T>(description: { readonly name: string; readonly methods: readonly string[] }): T {
  const { methods, ...fields } = description
  const refuse = () => {
    throw new Error(`Internal error: the code of "${description.name}" runs in child processes only`)
  }
  return { ...fields, ...Object.fromEntries(methods.map((name) => [name, refuse])) } as T
}

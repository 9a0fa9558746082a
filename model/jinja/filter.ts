import type { Value } from './values.js'

/** What a filter was given behind the value, by parameter. */
export type Given = Readonly<Record<string, Value | undefined>>

/** A filter: parameters behind the value, as `bind` takes them, and what it makes. */
export type Filter = readonly [spec: string, work: (value: Value, given: Given) => Value]

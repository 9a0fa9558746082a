import type { Value } from './values.js'

/** Arguments of a filter after the value, by parameter. */
export type Given = Readonly<Record<string, Value | undefined>>

/** A filter: its parameters after the value, in the notation of `bind`, and its implementation. */
export type Filter = readonly [spec: string, work: (value: Value, given: Given) => Value]

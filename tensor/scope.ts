import type { NodeRecord } from './onnx.js'
import type { TapeEntry, Value } from './value.js'

/** The top level of a graph, or the body of a loop in it. */
export interface Scope {
  readonly nodes: NodeRecord[]
  readonly inputs: Value[]
  readonly outputs: { readonly name: string; readonly value: Value }[]
  readonly tape: TapeEntry[]
  /** Names of the values created in this scope. */
  readonly names: Set<string>
  /** Values of enclosing scopes that this scope uses, except constants. */
  readonly captured: Map<string, Value>
}

/** Creates an empty scope. */
export const newScope = (): Scope => ({
  nodes: [],
  inputs: [],
  outputs: [],
  tape: [],
  names: new Set(),
  captured: new Map(),
})

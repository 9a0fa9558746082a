/** A limit of the spec's target. */
export interface Limit {
  readonly name: 'throughput' | 'memory' | 'latency' | 'parameters'
  readonly bound: 'min' | 'max'
  readonly value: number
  /** Unit of the value; `parent` for a multiple of the parent's value. */
  readonly unit: string
}

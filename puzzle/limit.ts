/** A limit of the spec's target. */
export interface Limit {
  readonly name: 'throughput' | 'prefill' | 'tokenLatency' | 'latency' | 'memory' | 'parameters'
  readonly bound: 'min' | 'max'
  readonly value: number
  /** Unit of the value; `parent` for a multiple of the parent's value. */
  readonly unit: string
}

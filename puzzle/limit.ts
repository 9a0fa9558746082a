/** A limit of the spec's target. */
export interface Limit {
  readonly name: 'throughput' | 'memory' | 'latency' | 'parameters'
  readonly bound: 'min' | 'max'
  readonly value: number
  /** `parent`: a multiple of the parent's value. */
  readonly unit: string
}

/** A layer removed, after those before it. */
export interface DepthStep {
  readonly layer: number
  /** KL(parent || parent without this layer and those before it), mean per token, nats. */
  readonly cumulative: number
  /** The same without this layer alone: what sums of scores would be made of. */
  readonly alone: number
}

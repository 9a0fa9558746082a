/** The removal of a layer, after those of the steps before. */
export interface DepthStep {
  readonly layer: number
  /** KL(parent || parent without this layer and those of the steps before), mean per token, nats. */
  readonly cumulative: number
  /** KL(parent || parent without this layer only), nats: the score that would otherwise be added up. */
  readonly alone: number
}

/** A limit of the spec's target. */
export interface Limit {
  readonly name: 'throughput' | 'prefill' | 'tokenLatency' | 'latency' | 'memory' | 'parameters'
  readonly bound: 'min' | 'max'
  readonly value: number
  /** Unit of the value; `parent` for a multiple of the parent's value. */
  readonly unit: string
  /** The scenario that it is about, and its place among the target's. Absent where the target has only one, without a name. */
  readonly scenario?: { readonly name: string; readonly index: number }
}

/** The place of a limit's scenario. */
export const scenarioIndex = ({ scenario }: Limit): number => scenario?.index ?? 0

/** A limit's name, unlike that of any other of the target: `throughput`, or `chat.throughput`. */
export const limitId = ({ name, scenario }: Limit): string => (scenario ? `${scenario.name}.${name}` : name)

/** Whether a limit is on something that is timed. */
export const onTime = ({ name }: Limit): boolean => name !== 'memory' && name !== 'parameters'

/** What plugins with run types rely on. Nothing here runs: the compiler checks it whenever the project is built. */
import {
  definePlugin,
  defineRunType,
  type BlockChoice,
  type JsonObject,
  type LayerFacts,
  type LayerWeights,
  type RunLayer,
  type RunType,
} from '../../api/index.js'

type Params = { readonly span: number }

/** A run type as a plugin was written. */
interface Written {
  readonly name: string
  readonly version: number
  readonly parameters: object
  variants(layers: number, entry: JsonObject): readonly Params[]
  id(params: Params): string
  span(params: Params): number
  blocks(run: readonly RunLayer[], params: Params): { readonly attention?: BlockChoice } | undefined
  initialise(weights: readonly LayerWeights[], run: readonly RunLayer[], params: Params): Partial<LayerWeights>
}

/** What was written is still a run type, and what it is given has at least what it was written for. */
export const written = (type: Written): RunType<Params> => type
export const given = (layer: RunLayer): { facts: LayerFacts; attention: BlockChoice; ffn: BlockChoice } => layer

const first = defineRunType<Params>({
  name: 'first',
  version: 1,
  parameters: {},
  variants: (_, { span }) => [{ span: Number(span) }],
  id: ({ span }) => `first-${span}`,
  span: ({ span }) => span,
  blocks: ([layer]) => layer && { attention: layer.attention, ffn: layer.ffn },
  initialise: ([weights]) => weights ?? {},
})
definePlugin({ runs: [first] })

// Mistakes that the compiler must find.
// @ts-expect-error a run type is no block type
definePlugin({ blocks: [first] })
void ({
  ...first,
  // @ts-expect-error how many layers is a number
  span: () => 'two',
} satisfies RunType)
void ({
  ...first,
  // @ts-expect-error there are two slots
  blocks: () => ({ mlp: { block: 'swiglu', params: {} } }),
} satisfies RunType)

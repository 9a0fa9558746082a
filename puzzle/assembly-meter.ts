import { Forward, Head, type Comparison, type Model } from '../model/index.js'
import { slots, type ArtifactRef, type Environment, type Weights } from '../api/index.js'
import { readSequences, type Sequences } from '../data/sequences.js'
import { captured, hiddenName, tokensName, type CapturedFiles } from './captured.js'
import { HiddenStates } from './hidden-states.js'
import { throughLayers } from './through-layers.js'
import { assemble, asTask, chosenEntries, type Choice, type LibraryEntry } from './library.js'

/** How assemblies are measured. */
export interface AssemblyMeterOptions {
  /** Captured held-out sequences to measure on, the first ones. */
  readonly sequences: number
  /** Sequences per forward pass. */
  readonly batch: number
  readonly threads: number
  /** Bytes of weights, and of hidden states, that are kept in memory. @default 1 GiB */
  readonly memory?: number
}

/**
 * Compares whole assemblies of library entries with the parent, on the held-out text of `capture`. A measurement begins where
 * the assembly first differs from the one before it.
 */
export class AssemblyMeter {
  private last: { readonly choice: Choice; readonly states: ReadonlyMap<number, Float32Array> } | undefined
  private readonly kept = new Map<string, Promise<Weights>>()
  private used = 0

  private constructor(
    private readonly context: Pick<Environment, 'open'>,
    private readonly model: Model,
    private readonly library: ReadonlyMap<string, LibraryEntry>,
    private readonly held: Sequences & { readonly input: Float32Array; readonly final: Float32Array },
    private readonly forward: Forward,
    private readonly head: Head,
    private readonly memory: number,
  ) {}

  static async open(
    context: Pick<Environment, 'open'>,
    model: Model,
    library: ReadonlyMap<string, LibraryEntry>,
    files: CapturedFiles,
    { sequences, batch, threads, memory = 2 ** 30 }: AssemblyMeterOptions,
  ): Promise<AssemblyMeter> {
    const text = await readSequences(context, captured(files, tokensName('validate')), sequences)
    const states = async (layer: number) => {
      const ref: ArtifactRef = captured(files, hiddenName('validate', layer))
      return (await HiddenStates.read(await context.open(ref))).rows(0, text.count * text.length)
    }
    const held = { ...text, input: await states(0), final: await states(model.config.layers) }
    const forward = new Forward(Math.min(batch, text.count), text.length, threads)
    return new AssemblyMeter(context, model, library, held, forward, await Head.create(model, threads), memory)
  }

  /** Compares an assembly with the parent. */
  async measure(choice: Choice): Promise<Comparison> {
    const { held, last } = this
    const { layers } = this.model.config
    const view = this.viewOf(choice)
    const states = new Map<number, Float32Array>()
    let from = 0
    for (let layer = 1; layer < layers && last && sameLayer(last.choice[layer - 1]!, choice[layer - 1]!); layer++) {
      const known = last.states.get(layer)
      if (known) [from] = [layer, states.set(layer, known)]
    }
    let x = states.get(from) ?? held.input
    for (let layer = from; layer < layers; layer++) {
      x = await this.layer(view, layer, x)
      if (layer + 1 < layers && (states.size + 1) * x.byteLength <= this.memory) states.set(layer + 1, x)
    }
    this.last = { choice, states }
    return this.head.compare(held.final, x, held.ids, held.mask, held.length)
  }

  async release(): Promise<void> {
    await this.forward.release()
    await this.head.release()
  }

  private layer(view: Model, layer: number, x: Float32Array): Promise<Float32Array> {
    const { hidden } = this.model.config
    const rows = (start: number, count: number) => x.subarray(start * hidden, (start + count) * hidden)
    return throughLayers(this.forward, view, this.held, rows, layer, layer + 1)
  }

  /** The model of a choice. */
  viewOf(choice: Choice): Model {
    const { fillings, inputs } = asTask(chosenEntries(this.library, choice))
    const view = assemble(this.model, fillings, inputs, this.context)
    return {
      ...view,
      weights: (layer, slot) => this.weights(choice[layer]![slot], () => view.weights(layer, slot)),
    }
  }

  /** Weights of an entry, which many assemblies share. */
  private async weights(entry: string, read: () => Promise<Weights>): Promise<Weights> {
    const known = this.kept.get(entry)
    if (known) return known
    const reading = read()
    const weights = await reading
    const bytes = Object.values(weights).reduce((n, { data }) => n + data.byteLength, 0)
    if (this.used + bytes <= this.memory) {
      this.used += bytes
      this.kept.set(entry, reading)
    }
    return weights
  }
}

type LayerChoice = Choice[number]
const sameLayer = (a: LayerChoice, b: LayerChoice): boolean => slots.every((slot) => a[slot] === b[slot])

import { Graph, show } from '../tensor/index.js'
import { Failure, type BlockType, type JsonObject, type LayerFacts } from './api/index.js'

const batch = 2

/**
 * Builds the graph of a variant as training and decoding do, without computing anything: shapes that do not go together
 * come up before a run does.
 * @throws what `forward` throws; Failure PluginBug when its output has another shape than its input
 */
export function tryForward(type: BlockType, facts: LayerFacts, params: JsonObject): void {
  if (type.empty) return
  forward(type, facts, params, 3, false)
  forward(type, facts, params, 1, true)
}

function forward(type: BlockType, facts: LayerFacts, params: JsonObject, length: number, decoding: boolean): void {
  const g = new Graph()
  const input = (name: string, shape: readonly (number | string)[]) => g.input(name, 'float32', shape)
  const x = input('x', [batch * length, facts.hidden])
  const weights = Object.fromEntries(
    Object.entries(type.shapes(facts, params)).map(([name, shape]) => [name, input(`weight.${name}`, shape)] as const),
  )
  const rotary = { cos: input('cos', [length, facts.headDim]), sin: input('sin', [length, facts.headDim]) }
  const states = type.state?.(facts, params) ?? []
  const rows = (state: (typeof states)[number]) => {
    if (state.kind === 'per-sequence') return [batch, ...state.shape]
    return [batch, state.shape[0], state.kind === 'window' ? state.window : 'capacity', state.shape[1]]
  }
  const windows = states.flatMap((state) => (state.kind === 'window' ? [state] : []))
  const past = decoding && {
    past: Object.fromEntries(states.map((state) => [state.name, input(`past.${state.name}`, rows(state))])),
    mask: input('mask', ['capacity']),
    windowMasks: Object.fromEntries(windows.map(({ name, window }) => [name, input(`mask.${name}`, [length, window])])),
  }
  const context = { facts, batch, length, rotary, wantState: true, ...past }
  const { y } = type.forward(g, x, weights, params, context)
  if (show(y.shape) !== show(x.shape))
    throw new Failure('PluginBug', `forward makes ${show(y.shape)} of ${show(x.shape)}: both must have one shape`)
}

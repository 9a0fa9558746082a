import type { ArtifactRef, JsonObject, Outputs } from '../../plugins/api/index.js'
import type { Model } from '../../model/index.js'
import { allVariants, lessons, type DistillParams } from '../../plugins/stages/distill-plan.js'
import { entryId, type LibraryEntry } from '../../plugins/stages/library.js'
import { digestBytes } from '../../store/digest.js'

/** A reference to an artifact that nobody reads. */
export const fakeRef = (name: string): ArtifactRef => ({ digest: digestBytes(name), bytes: name.length, kind: 'fake' })

/** What `capture` leaves of a model with 3 layers, without having captured anything. */
export function fakeCapture(length = 12, sequences = 30): Outputs {
  const states = ['hidden00', 'mid00', 'hidden01', 'mid01', 'hidden02', 'mid02', 'hidden03', 'tokens']
  const names = [...states, ...states.map((name) => `validate-${name}`), 'statistics']
  return { values: { length, sequences }, files: Object.fromEntries(names.map((name) => [name, fakeRef(name)])) }
}

/** The library that `distill` would make, without weights. */
export function fakeLibrary(model: Model, space: JsonObject, params: Partial<DistillParams> = {}): LibraryEntry[] {
  const whole = { mode: 'decoupled', coupled: [], besideNoOp: 'all', ...params } as DistillParams
  const common = { parameters: 1, nmseBefore: 1, nmseAfter: 0.5 }
  const trained = lessons(model, space, whole).flatMap(({ layer, train, beside }) =>
    train.map(({ entry: id, ...own }): LibraryEntry => {
      const other = train.find(({ slot }) => slot !== own.slot)?.variant ?? beside
      return { ...own, ...common, id, layer, beside: other, weights: fakeRef(id) }
    }),
  )
  const untrained = allVariants(model, space).flatMap(({ layer, slot, variant: { id, empty, block, params } }) => {
    if (id !== 'parent' && !empty) return []
    const own = { id: entryId(layer, slot, id, 'parent'), layer, slot, variant: id, block, params }
    return [{ ...own, ...common, beside: 'parent', weights: null }]
  })
  return [...trained, ...untrained]
}

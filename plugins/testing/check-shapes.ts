import { isDeepStrictEqual } from 'node:util'
import type { JsonObject } from '../../api/index.js'
import type { Measure } from './report.js'
import type { Subject } from './subject.js'

/** Checks the names and sizes that a type declares. */
export function checkShapes({ type, facts, params }: Subject): Measure[] {
  const shapes = type.shapes(facts, params)
  const states = type.state?.(facts, params) ?? []
  const sizes = [...Object.values(shapes), ...states.map(({ shape }) => shape)]
  const windows = states.flatMap((state) => (state.kind === 'window' ? [state.window] : []))
  const stored = JSON.parse(JSON.stringify(params)) as JsonObject
  const again = [type.shapes(facts, stored), type.state?.(facts, stored) ?? [], type.id(stored)]
  const firstNames = type.learnsFirst?.(params) ?? []
  const number = (what: string, figure: number): Measure => ({ what, figure, allowed: 0 })
  return [
    number(
      'sizes are positive integers',
      [...sizes.flat(), ...windows].filter((n) => !Number.isSafeInteger(n) || n < 1).length,
    ),
    number(
      'stored parameters give the same shapes, state and id',
      isDeepStrictEqual(again, [shapes, states, type.id(params)]) ? 0 : 1,
    ),
    number('no weight is named "norm", which the model reserves', 'norm' in shapes ? 1 : 0),
    number('names of states are unique', states.length - new Set(states.map(({ name }) => name)).size),
    number('`learnsFirst` names existing weights', firstNames.filter((name) => !(name in shapes)).length),
    ...(type.lastMatrix === undefined
      ? []
      : [
          number(
            '`lastMatrix` names a matrix [features, hidden]',
            endsIn(shapes[type.lastMatrix], facts.hidden) ? 0 : 1,
          ),
        ]),
    ...(type.empty
      ? [number('an empty block has neither weights nor state', Object.keys(shapes).length + states.length)]
      : []),
  ]
}

const endsIn = (shape: readonly number[] | undefined, size: number): boolean => shape?.length === 2 && shape[1] === size

import type { JsonObject } from '../../api/index.js'

/** Stages of a sweep whose children are measured, little. */
export function sweepStages(limit: JsonObject, values: readonly number[]): JsonObject {
  const points = { limit, values: [...values] }
  return {
    sweep: { uses: 'sweep', needs: ['score', 'profile', 'distill', 'depth'], with: points },
    measure: {
      uses: 'evaluate',
      needs: ['sweep', 'distill', 'profile', 'prepare'],
      with: { of: 'points', repetitions: 1, retime: 0, items: 4, sequences: 4, threads: 1 },
    },
    curve: { uses: 'curve', needs: ['sweep'], with: points },
  }
}

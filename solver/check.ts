import { Ajv2020 } from 'ajv/dist/2020.js'
import { Failure } from '../plugins/api/index.js'
import { readSchema } from '../schemas/read.js'
import type { Problem } from './problem.js'

/** A problem read from a file, checked. @throws Failure InvalidInput naming the place */
export function checkProblem(json: unknown, file: string): Problem {
  const bad = (message: string) =>
    new Failure('InvalidInput', `${file}: ${message}`, { file, remedy: 'See `puzzleflow schema problem`.' })
  const validate = new Ajv2020({ allErrors: true, strict: false }).compile(readSchema('problem'))
  if (!validate(json)) {
    const places = (validate.errors ?? []).slice(0, 5).map((e) => `${e.instancePath || '/'} ${e.message ?? 'is wrong'}`)
    throw bad(places.join('; '))
  }
  const problem = json as Problem
  for (const [layer, { options }] of problem.layers.entries()) {
    const ids = new Set<string>()
    for (const { id, score, costs, span = 1 } of options) {
      const where = `layer ${layer}, option "${id}"`
      if (ids.has(id)) throw bad(`${where} is there twice`)
      ids.add(id)
      if (!Number.isFinite(score)) throw bad(`${where}: the score is not finite`)
      if (span !== 1) throw bad(`${where}: a span of ${span} layers is not supported`)
      for (const [name, value] of Object.entries(costs))
        if (!Number.isFinite(value)) throw bad(`${where}: ${name} is not finite`)
      for (const { cost } of problem.limits ?? [])
        if (!(cost in costs)) throw bad(`${where} has no cost "${cost}", which is limited`)
    }
  }
  return problem
}

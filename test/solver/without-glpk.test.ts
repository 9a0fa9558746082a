import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import type { SolveResult } from '../../solver/result.js'
import { packageRoot } from '../../store/paths.js'

/** A module of Node's that finds no glpk.js. */
const absent = `export const resolve = (name, context, next) => {
  if (name.startsWith('glpk.js')) throw Object.assign(new Error('Cannot find package glpk.js'), { code: 'ERR_MODULE_NOT_FOUND' })
  return next(name, context)
}`

const problem = {
  layers: Array.from({ length: 8 }, (_, layer) => ({
    options: Array.from({ length: 4 }, (_, option) => ({
      id: `${layer}-${option}`,
      score: ((layer * 7 + option * 5) % 11) / 10 + option / 4,
      costs: { memory: 10 - 2 * option, runtime: 8 - option - (layer % 2) },
    })),
  })),
  limits: [
    { cost: 'memory', max: 55 },
    { cost: 'runtime', max: 50 },
  ],
  solutions: 3,
  minimumDifference: 0.2,
}

/** Solves the problem in a process of its own, in its only thread. */
function solved(withGlpk: boolean): SolveResult {
  const program = `
    import { register } from 'node:module'
    ${withGlpk ? '' : `register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(absent)}))`}
    const { solveHere } = await import('./dist/solver/solve-here.js')
    process.stdout.write(JSON.stringify(await solveHere(${JSON.stringify(problem)})))`
  const args = ['--input-type=module', '-e', program]
  return JSON.parse(execFileSync(process.execPath, args, { cwd: packageRoot(), encoding: 'utf8' })) as SolveResult
}

test('without glpk.js the same optima are found and proved', () => {
  const [usual, without] = [solved(true), solved(false)]
  expect(without.status).toBe('optimal')
  expect(without.solutions.map(({ objective, choice }) => ({ objective, choice }))).toEqual(
    usual.solutions.map(({ objective, choice }) => ({ objective, choice })),
  )
  expect(usual.engineFailures).toBeUndefined()
  // It was asked, and is missed openly.
  expect(without.engineFailures).toEqual([expect.stringContaining('glpk: Cannot find package')])
})

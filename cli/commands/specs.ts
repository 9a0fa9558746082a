import type { Command } from 'commander'
import { readFileSync } from 'node:fs'
import { forecast } from '../../activities/forecast.js'
import { Failure } from '../../plugins/api/index.js'
import { loadPlugins } from '../../plugins/registry.js'
import { readSchema } from '../../schemas/read.js'
import { readProblem, solve, type Problem } from '../../solver/index.js'
import { formatDiagnostic } from '../../spec/diagnostics.js'
import { toDot, toMermaid } from '../../spec/graph.js'
import { compileSpec } from '../../spec/plan.js'
import { specSchema } from '../../spec/schema.js'
import { action, common, log, openStore, planOf, print, printJson, specRegistry, type Common } from '../common.js'

/** Commands that need no server. */
export function specCommands(program: Command): void {
  common(program.command('validate <spec>').description('all mistakes of a spec')).action(
    action(async (file: string, options: Common) => {
      const { plan, diagnostics } = await compileSpec(file, specRegistry())
      if (options.json) printJson({ valid: plan !== undefined, digest: plan?.digest, diagnostics })
      else for (const diagnostic of diagnostics) print(formatDiagnostic(diagnostic))
      if (plan && !options.json)
        print(`${file} is valid: ${plan.stages.length} stages, digest ${plan.digest.slice(0, 12)}`)
      if (!plan) process.exitCode = 2
    }),
  )

  common(program.command('plan <spec>').description('stages and tasks, and what the store has of them')).action(
    action(async (file: string, options: Common) => {
      const plan = await planOf(file)
      const stages = await forecast(plan, await openStore(options), loadPlugins())
      if (options.json) return printJson({ digest: plan.digest, stages })
      print(`${plan.name}, digest ${plan.digest.slice(0, 12)}, pipeline ${plan.pipeline}`)
      for (const s of stages) {
        const saved = s.secondsSaved > 0 ? `, ${s.secondsSaved.toFixed(0)} s saved` : ''
        print(`${s.stage.padEnd(16)} ${String(s.tasks).padStart(7)} tasks, ${s.reused} reused${saved}  ${s.reason}`)
      }
    }),
  )

  common(program.command('graph <spec>').description('the pipeline as a graph'))
    .option('--format <format>', 'mermaid or dot', 'mermaid')
    .action(
      action(async (file: string, options: Common & { format: string }) => {
        const plan = await planOf(file)
        if (options.format !== 'mermaid' && options.format !== 'dot')
          throw new Failure('InvalidInput', `There is no format "${options.format}"`, { remedy: 'Use mermaid or dot.' })
        const text = options.format === 'dot' ? toDot(plan) : toMermaid(plan)
        if (options.json) printJson({ format: options.format, graph: text })
        else print(text)
      }),
    )

  common(
    program.command('schema [name]').description('a JSON Schema: spec (default), problem, result, pipeline, plugin'),
  ).action(
    action(async (name: string | undefined) => {
      if (name === undefined || name === 'spec') return printJson(specSchema(specRegistry()))
      try {
        printJson(readSchema(name as 'problem'))
      } catch {
        throw new Failure('InvalidInput', `There is no schema "${name}"`, {
          remedy: 'Known: spec, problem, result, pipeline, plugin.',
        })
      }
    }),
  )

  common(program.command('solve <problem>').description('the solver alone, on a problem in JSON')).action(
    action(async (file: string) => {
      const problem = openProblem(file)
      const result = await solve(problem)
      printJson(result)
      if (result.infeasible) log(result.infeasible.message)
      if (result.status === 'infeasible') process.exitCode = 3
    }),
  )
}

function openProblem(file: string): Problem {
  let json: unknown
  try {
    json = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new Failure('InvalidInput', `${file} cannot be read: ${(error as Error).message}`, { file })
  }
  return readProblem(json, file)
}

import type { Command } from 'commander'
import { readFileSync, statSync } from 'node:fs'
import { forecast } from '../../lineage/forecast.js'
import { refuseIrregular } from '../../files/irregular.js'
import { Failure } from '../../api/index.js'
import { dataNotes } from '../../plugins/inspect/data-notes.js'
import { describedTypes } from '../../plugins/loading/load.js'
import { readSchema, schemaNames } from '../../schemas/read.js'
import { readProblem, solve, type Problem } from '../../solver/index.js'
import { described } from '../../spec/described.js'
import { toDot, toMermaid } from '../../spec/graph.js'
import { schemaOfSpec, specSchema } from '../../spec/schema.js'
import { action } from '../action.js'
import { compiled, planOf, registryFor } from '../compiled-spec.js'
import { common, reading, setting, type SpecOptions } from '../options.js'
import { planTable } from '../plan-table.js'
import { log, print, printJson } from '../output.js'
import { checkNeeds } from '../readiness.js'
import { estimateRun } from '../estimate.js'
import { BadSpec } from '../explain.js'
import { readStore } from '../open-store.js'
import { specRegistry } from '../spec-registry.js'

/** Commands that need no server. */
export function specCommands(program: Command): void {
  setting(
    reading(
      program.command('plan <spec>').description('list stages and tasks, and how much of them the store already has'),
    ),
  ).action(
    action(async (file: string, options: SpecOptions) => {
      const { plan, listings } = await compiled(file, options)
      const [store, loaded] = [await readStore(options, false), await describedTypes(plan)]
      const run = await estimateRun(plan, loaded, await forecast(plan, store, loaded, listings))
      const notes = [...(await dataNotes(plan)), ...(await lacking(plan, store, loaded))]
      if (options.json) return printJson({ digest: plan.digest, ...run, notes })
      print(`${plan.name}, digest ${plan.digest.slice(0, 12)}, pipeline ${plan.pipeline}`)
      for (const line of planTable(run)) print(line)
      for (const note of notes) print(`note: ${note}`)
    }),
  )

  reading(program.command('graph <spec>').description('draw the pipeline as a graph'))
    .option('--format <format>', 'mermaid or dot', 'mermaid')
    .action(
      action(async (file: string, options: SpecOptions & { format: string }) => {
        const plan = await planOf(file, options)
        if (options.format !== 'mermaid' && options.format !== 'dot')
          throw new Failure('InvalidInput', `There is no format "${options.format}"`, { remedy: 'Use mermaid or dot.' })
        const text = options.format === 'dot' ? toDot(plan) : toMermaid(plan)
        if (options.json) printJson({ format: options.format, graph: text })
        else print(text)
      }),
    )

  reading(
    program.command('schema [name]').description(`print a JSON Schema: ${schemaNames.join(', ')} (default: spec)`),
  )
    .option('--spec <spec>', 'print the schema for this spec’s pipeline and plugins, for editors')
    .action(
      action(async (name: string | undefined, options: SpecOptions & { spec?: string }) => {
        if (options.spec !== undefined) {
          if (name !== undefined && name !== 'spec')
            throw new Failure('InvalidInput', `The schema "${name}" does not depend on a spec`, {
              remedy: 'Leave one out.',
            })
          const { schema, diagnostics } = await schemaOfSpec(options.spec, registryFor(options))
          if (!schema) throw new BadSpec(diagnostics)
          return printJson(described(schema))
        }
        if (name === undefined || name === 'spec') return printJson(described(specSchema(specRegistry())))
        const known = schemaNames.find((own) => own === name)
        if (known === undefined)
          throw new Failure('InvalidInput', `There is no schema "${name}"`, {
            remedy: `Known: ${schemaNames.join(', ')}.`,
          })
        printJson(readSchema(known))
      }),
    )

  common(program.command('solve <problem>').description('run the solver alone, on a problem in JSON')).action(
    action(async (file: string) => {
      const problem = openProblem(file)
      const result = await solve(problem)
      printJson(result)
      if (result.infeasible) log(result.infeasible.message)
      if (result.status === 'infeasible') process.exitCode = 3
    }),
  )
}

/** What a run would be refused for here: too little disk or memory. */
async function lacking(...run: Parameters<typeof checkNeeds>): Promise<string[]> {
  try {
    await checkNeeds(...run)
    return []
  } catch (error) {
    if (!(error instanceof Failure) || (error.kind !== 'OutOfDisk' && error.kind !== 'OutOfMemory')) throw error
    return [`${error.message}. ${error.remedy}`]
  }
}

function openProblem(file: string): Problem {
  let json: unknown
  // A pipe of a shell is as good as a file.
  if (!statSync(file, { throwIfNoEntry: false })?.isFIFO()) refuseIrregular(file)
  try {
    json = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    throw new Failure('InvalidInput', `${file} cannot be read: ${(error as Error).message}`, { file })
  }
  return readProblem(json, file)
}

import type { Command } from 'commander'
import { addExamples } from './examples.js'

/** What adds commands to the program, by the names of the commands, in the order of the help. */
export const modules: readonly (readonly [names: string, load: () => Promise<(program: Command) => void>])[] = [
  ['init', async () => (await import('./commands/init.js')).initCommand],
  ['validate', async () => (await import('./commands/validate.js')).validateCommand],
  ['plan graph schema solve', async () => (await import('./commands/specs.js')).specCommands],
  ['run server worker', async () => (await import('./commands/run.js')).runCommands],
  ['sweep', async () => (await import('./commands/sweep.js')).sweepCommand],
  ['list status watch', async () => (await import('./commands/status.js')).statusCommands],
  ['result scores profile', async () => (await import('./commands/results.js')).resultCommands],
  ['compare', async () => (await import('./commands/compare.js')).compareCommand],
  ['report', async () => (await import('./commands/report.js')).reportCommand],
  ['explain', async () => (await import('./commands/explain.js')).explainCommand],
  ['generate', async () => (await import('./commands/generate.js')).generateCommand],
  ['evaluate', async () => (await import('./commands/evaluate.js')).evaluateCommand],
  ['logits', async () => (await import('./commands/logits.js')).logitsCommand],
  ['export', async () => (await import('./commands/export.js')).exportCommand],
  [
    'pause resume cancel concurrency retry skip approve',
    async () => (await import('./commands/control.js')).controlCommands,
  ],
  ['plugins', async () => (await import('./commands/plugins.js')).pluginCommands],
  ['artifacts', async () => (await import('./commands/artifacts.js')).artifactCommands],
  ['codec', async () => (await import('./commands/codec.js')).codecCommand],
  ['doctor', async () => (await import('./commands/doctor.js')).doctorCommand],
  ['completion complete', async () => (await import('./commands/completion.js')).completionCommands(addCommands)],
]

/** Adds commands to the program. Loads only the module of a known command, because loading Temporal's client would take a
 *  third of the start of commands that need no server. */
export async function addCommands(program: Command, asked = ''): Promise<void> {
  const found = modules.find(([names]) => names.split(' ').includes(asked))
  for (const [, load] of found ? [found] : modules) (await load())(program)
  addExamples(program)
}

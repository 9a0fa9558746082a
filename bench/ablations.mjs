// The method's ablations on the quickstart's model, in one command: `npm run ablations -- [OPTIONS]` writes docs/results.md.
// A run that is killed goes on: shared work is in the store by its key, children that are measured are files of the folder.
import { readOptions, usage } from './ablations/options.mjs'
import { build, install } from '../scripts/setup.mjs'

const options = readOptions(process.argv.slice(2))
if (options.problem !== undefined) {
  console.error(`${options.problem}\n${usage}`)
  process.exit(2)
}
if (options.help) console.log(usage)
else {
  install()
  build()
  // What they import is compiled now.
  const { runAblations } = await import('./ablations/run.mjs')
  await runAblations(options)
}

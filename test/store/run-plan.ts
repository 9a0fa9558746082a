/**
 * A machine of its own that does a run, for tests: `node run-plan.js LOCATION OPTIONS`, the options of plan-run.ts as
 * JSON. Tasks are done in child processes. Prints what was done, as JSON.
 */
import { fileURLToPath } from 'node:url'
import { Host } from '../../activities/host.js'
import { openStore } from '../../store/index.js'
import { doRun, type RunOptions } from './plan-run.js'

const [location, options = '{}'] = process.argv.slice(2)
const host = new Host({ log: () => undefined, registry: fileURLToPath(new URL('./tiny-stages.js', import.meta.url)) })
const done = await doRun(await openStore(location), host, JSON.parse(options) as RunOptions)
process.stdout.write(JSON.stringify(done))
host.close()
process.exit()

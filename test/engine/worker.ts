/** A worker with the stages of tests. Arguments: server, store, task queue, slots. */
import { fileURLToPath } from 'node:url'
import { asJson } from '../../activities/journal.js'
import { runWorker } from '../../activities/worker.js'
import { accessTo } from '../../server/index.js'
import { FileStore } from '../../store/index.js'
import { loadPlugins } from './registry.js'

const [address, root, queue, slots] = process.argv.slice(2)
const port = process.env.TEST_METRICS_PORT
await runWorker({
  access: accessTo(address!),
  store: new FileStore(root),
  queue: queue!,
  slots: Number(slots),
  ...(port !== undefined && { metrics: { host: '127.0.0.1', port: Number(port) } }),
  log: (entry) => process.stderr.write(`${asJson(entry)}\n`),
  registry: { loaded: loadPlugins(), module: fileURLToPath(new URL('./registry.js', import.meta.url)) },
})
process.exit(0)

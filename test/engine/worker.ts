/** A worker with the stages of tests. Arguments: server, store, slots. */
import { fileURLToPath } from 'node:url'
import { queueOf, runWorker } from '../../activities/worker.js'
import { FileStore } from '../../store/index.js'
import { loadPlugins } from './registry.js'

const [address, root, slots] = process.argv.slice(2)
const store = new FileStore(root)
await runWorker({
  address: address!,
  store,
  queue: queueOf(store),
  slots: Number(slots),
  log: (line) => process.stderr.write(`${line}\n`),
  registry: { loaded: loadPlugins(), module: fileURLToPath(new URL('./registry.js', import.meta.url)) },
})
process.exit(0)

/**
 * A process of its own that writes to a store, for tests of several at once and of killed ones:
 * `node writer.js LOCATION NAME COUNT BYTES` puts as many artifacts, the same in every process, and a record for each,
 * and prints for each the name of the process whose record is kept. COUNT 0: artifacts of its own, until it is killed.
 */
import { digestJson } from '../../store/digest.js'
import { openStore } from '../../store/index.js'

const [location, name = '', count = '0', bytes = '0'] = process.argv.slice(2)
const store = await openStore(location)
const endless = Number(count) === 0
for (let i = 0; endless || i < Number(count); i++) {
  const data = Buffer.alloc(Number(bytes), endless ? `${name} ${i} ` : `shared ${i} `)
  const file = await store.putBytes('bytes', data)
  const components = { i, ...(endless ? { name } : {}) }
  const kept = await store.putRecord({
    version: 1,
    key: digestJson(components),
    components,
    outputs: { values: {}, files: { file } },
    seconds: 0,
    finishedAt: '',
    host: name,
  })
  process.stdout.write(`${kept.host}\n`)
}
process.stdout.write(`id ${store.id}\n`)

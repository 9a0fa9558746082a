// `npm run soak -- [--minutes 120] [--seed 1]`: runs small searches with kills, one after the other, and reports the memory of every process.
import { build, install, run } from './setup.mjs'

install()
build()
run(process.execPath, ['dist/test/soak/main.js', ...process.argv.slice(2)])

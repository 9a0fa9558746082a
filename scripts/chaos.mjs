// `npm run chaos -- [--kills 50] [--seed 1] [--size short|whole|large]`: kills the processes of a small search and compares the result with that of an undisturbed one.
import { build, install, run } from './setup.mjs'

install()
build()
run(process.execPath, ['dist/test/chaos/main.js', ...process.argv.slice(2)])

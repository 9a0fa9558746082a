// `npm run fuzz -- [--inputs 10000] [--seed 1] [--reader NAME]… [--results FILE]`: gives every reader of strangers' files generated inputs.
import { build, install, run } from './setup.mjs'

install()
build()
run(process.execPath, ['dist/test/fuzz/main.js', ...process.argv.slice(2)])

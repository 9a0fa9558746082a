import { build, install, run } from './setup.mjs'

install()
build()
run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)])

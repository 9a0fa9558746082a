// `npm run try-package`: packs this checkout, installs the package elsewhere and runs the quickstart's search with it.
import { build, install, run } from './setup.mjs'

install()
build()
run(process.execPath, ['dist/test/package/main.js'])

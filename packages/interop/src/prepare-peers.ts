/** Sets up the libraries of other languages before tests need them. */

import { libraries, prepareLibrary } from './libraries.js'

for (const library of libraries) console.log(library, (await prepareLibrary(library)).join(' '))

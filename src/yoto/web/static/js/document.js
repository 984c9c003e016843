// README and guide: nothing moves, files that are dropped go to the page that opens them.

import { done } from "./common.js";
import { receive } from "./files.js";

receive();
done();

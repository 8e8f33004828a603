// Markup without a compiler: htm's templates make Preact's elements.
import {h} from "preact";
import htm from "htm";

export const html = htm.bind(h);

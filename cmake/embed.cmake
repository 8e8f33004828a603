# cmake -DOUTPUT=FILE.c "-DFILES=PATH;CONTENT;PATH;CONTENT..." -P embed.cmake
# Makes the array PAGE_FILES of server/api/page.h from files, each with its type (enum http_content). An
# entity tag is the beginning of the SHA-256 of the file.
set(arrays "")
set(table "")
while(FILES)
  list(POP_FRONT FILES file content)
  get_filename_component(name ${file} NAME)
  string(MAKE_C_IDENTIFIER ${name} identifier)
  file(SHA256 ${file} hash)
  string(SUBSTRING ${hash} 0 16 tag)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(APPEND arrays "static const unsigned char ${identifier}[] = {${bytes}};\n")
  string(APPEND table
    "    {\"${name}\", \"\\\"${tag}\\\"\", ${content}, ${identifier}, sizeof(${identifier})},\n")
endwhile()
file(WRITE ${OUTPUT} "/* Made by cmake/embed.cmake. */
#include \"page.h\"

${arrays}
const struct page_file PAGE_FILES[] = {
${table}    {NULL, NULL, HTTP_NO_CONTENT, NULL, 0},
};
")

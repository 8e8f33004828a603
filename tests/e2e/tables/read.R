# Reads the CSV files of e2e_tables.py with R. Rscript read.R NUMBERS CALENDAR MIXED DATASET
files <- commandArgs(trailingOnly = TRUE)
show <- function(...) cat(paste(format(c(...), digits = 17, scientific = FALSE, trim = TRUE), collapse = " "), "\n")

numbers <- read.csv(files[1])
show(nrow(numbers), sum(numbers$d), min(numbers$t), max(numbers$t))
calendar <- read.csv(files[2])
# R's %z takes +0100, not +01:00
times <- as.numeric(as.POSIXct(sub("([+-][0-9]{2}):([0-9]{2})$", "\\1\\2", calendar$t), format = "%Y-%m-%dT%H:%M:%OS%z"))
show(nrow(calendar), sum(calendar$d), min(times), max(times))
mixed <- read.csv(files[3], colClasses = "character")
cat(nchar(mixed$d), "\n")
dataset <- read.csv(files[4])
cat(names(dataset), "\n")
show(sum(dataset$temperature, na.rm = TRUE))

from llmlora_site.cli import main

main(prog_name="llmlora")

@echo off
rem Sets up .venv when requirements.txt changed, then runs the program: run.bat --help
setlocal
set "ROOT=%~dp0"
set "VENV=%ROOT%.venv"
set "PY=%VENV%\Scripts\python.exe"
if exist "%PY%" goto check
if defined PYTHON (
    "%PYTHON%" -m venv "%VENV%" 1>&2
) else (
    py -3.11 -m venv "%VENV%" 1>&2
)
if not exist "%PY%" (
    echo WanGP needs Python 3.11. Install it, or name it: set PYTHON=C:\path\to\python.exe 1>&2
    exit /b 1
)
:check
fc /b "%ROOT%requirements.txt" "%VENV%\requirements.done" >nul 2>&1
if not errorlevel 1 goto start
echo Setting up .venv from requirements.txt; this happens once and takes some minutes. 1>&2
"%PY%" -m pip install --disable-pip-version-check -q -r "%ROOT%requirements.txt" 1>&2
if errorlevel 1 (
    echo The packages could not be installed: see the lines above. Start again to go on. 1>&2
    exit /b 1
)
copy /y "%ROOT%requirements.txt" "%VENV%\requirements.done" >nul
:start
"%PY%" "%ROOT%wgp.py" %*
if %ERRORLEVEL% equ 42 goto start
exit /b %ERRORLEVEL%
